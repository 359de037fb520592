"""The panel: a page for laptop and phone that shows everything and reaches everything.

`server.Panel` is the hand; `access` decides who may come in, `desk` what a message does, `feed`
what each client is told and when, `pictures` draws what a layer or a channel dreams of. The page
itself lies in `static/`, as the browser gets it: there is no build step.
"""

__all__: list[str] = []
