"""A page in which a net learns: one HTML file that needs no server and no network.

`subject` says what is shown, `net_view` describes it for the page's scripts, `writing` puts template, style, scripts
and data together. The scripts are plain ES modules: `app/` draws and listens, `engine/` learns.
"""
