"""The panel: a page for laptop and phone that shows everything and reaches everything.

`app.Panel` serves it (`livedream.core.web`: the server, and who may come in); `messages` does what
a message says, `broadcast` sends each page what has changed, `pictures` draws what a layer or a
channel dreams of. The page lies in `static/`, as the browser gets it: there is no build step.
"""
