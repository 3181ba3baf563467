"""What a backoffice has booked, on the disk before it is answered: a killed one does not forget.

One JSON object a line: `life` (it was started), `link` (a charger's link was opened, with the path it
dialed), `booked` (a message, with the number it was given), `closed` (a link has ended).
"""

import json
import os
import time


class Journal:
    def __init__(self, path):
        # A kill in the middle of a line leaves half of one, of something that was never answered.
        with open(path, "a+b") as file:
            file.seek(0)
            whole = file.read().rpartition(b"\n")
            file.truncate(len(whole[0]) + len(whole[1]))
        lines = [json.loads(line) for line in whole[0].splitlines()]
        numbers = [line["number"] for line in lines if line.get("number") is not None]
        self.last_number = max(numbers, default=None)
        self.links = sum(line["entry"] == "link" for line in lines)
        self.file = open(path, "a", encoding="utf-8")
        self.write("life")

    def write(self, entry, **facts):
        """Returns once the disk has it."""
        self.file.write(json.dumps({"entry": entry, "at": time.time(), **facts}) + "\n")
        self.file.flush()
        os.fsync(self.file.fileno())

    def link(self, charger, path):
        """Opens a link; its number."""
        self.links += 1
        self.write("link", link=self.links, charger=charger, path=path)
        return self.links
