"""The objects that the API answers with, as models: what the OpenAPI document and its tests are made of.

The routes do not build these (they write dictionaries and templates, which is faster); tests check that what they send
fits. Imported when the document is asked for, not when the server starts.
"""
