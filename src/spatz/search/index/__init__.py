"""The local index: pages and folders that an operator chooses, found without any network.

`local_index.py` keeps documents and finds them; `gather.py` fills it from a source (folders, pages, crawls, sitemaps),
reading files and pages in processes of their own. Nothing here knows the server or a model.
"""
