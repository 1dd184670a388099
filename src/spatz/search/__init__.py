"""Searching the web, and what an operator has indexed, for an answer with citations.

Providers find pages (`SearchResult`), pages are read (`Page`), the parts that answer a question are picked (`Passage`),
and what an answer says is traced back to them (`Citation`). Nothing here runs the model or knows an API: the server's
loop (server/web_search.py) joins these.
"""
