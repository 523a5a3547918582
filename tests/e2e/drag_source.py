#!/usr/bin/python3
"""A small window that a file can be dragged from, as from a file manager. drag_source.py X Y FILE

Prints "ready" once it is on the screen; ends with 0 when the drop was taken and 1 when it was not.
"""
import pathlib
import sys

import gi

gi.require_version("Gdk", "3.0")
gi.require_version("Gtk", "3.0")
from gi.repository import Gdk, GLib, Gtk  # noqa: E402


def main():
    x, y = int(sys.argv[1]), int(sys.argv[2])
    uri = pathlib.Path(sys.argv[3]).absolute().as_uri()
    taken = [False]
    window = Gtk.Window(type=Gtk.WindowType.POPUP)
    window.set_default_size(30, 30)
    window.move(x, y)
    source = Gtk.EventBox()
    source.drag_source_set(
        Gdk.ModifierType.BUTTON1_MASK, [Gtk.TargetEntry.new("text/uri-list", 0, 0)], Gdk.DragAction.COPY
    )
    source.connect("drag-data-get", lambda _w, _c, data, _i, _t: data.set_uris([uri]))

    def end(_widget, _context):
        taken[0] = not failed
        Gtk.main_quit()

    failed = []
    source.connect("drag-failed", lambda *_: failed.append(True) or False)
    source.connect("drag-end", end)
    window.add(source)
    window.show_all()
    GLib.idle_add(lambda: print("ready", flush=True))
    Gtk.main()
    return 0 if taken[0] else 1


sys.exit(main())
