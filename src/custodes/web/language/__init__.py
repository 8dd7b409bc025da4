"""The languages of the page: which one is spoken, what a text is in it, and what is still to be translated (ADR 83).

Texts are written in English where they are used. `speech` translates them for Python, `markup` for templates,
`static/js/words.js` for scripts; `catalogs` holds the translations, `gather` finds what there is to translate.
"""
