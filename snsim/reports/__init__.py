"""Tables, score lines, and the HTML page of a run. Pictures themselves are in `plots`."""
