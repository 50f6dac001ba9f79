"""Play with a description in a browser: the text, its faults, and the net that learns beside it.

Each file does one thing:

- `server`    answers the browser on 127.0.0.1, and refuses everyone else
- `compiler`  hands a text to a process of its own, and ends that process if it takes too long
- `worker`    is that process: it reads the text as `snsim check` does and writes the page of its net
- `browser_view` shows a run of this process (`snsim run --watch`)
- `watching`  follows a run folder while a native training writes it; `trainer` is the process that trains

`play.html`, `play.css` and `play.js` are what the browser shows around the page of the net.
"""
