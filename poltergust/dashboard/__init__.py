"""The page: one look at the whole cluster, in a browser, from what lies beside the path.

`watching.py` reads the bucket once for all viewers and says what changed, `events.py` carries that to the browsers,
`pages.py` and `api.py` answer as HTML and as JSON from the same values, `server.py` puts them together. `guards.py` is
what every request passes first. `tasks.py` says what the tasks of a run did, `graph.py`, `lanes.py` and `log_view.py`
make of it what a page draws; `filters.py` and `ansi.py` turn text from the bucket into text for the page. All markup
is made in `templates/`, where everything is escaped; a script of ours only puts it in place.
"""
