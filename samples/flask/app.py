"""A tide table: one page and a small JSON API, served by Flask. Everything is computed, nothing is fetched."""

from datetime import datetime, timedelta, timezone
from math import cos, pi

from flask import Flask, jsonify, render_template, request

app = Flask(__name__)

# The lunar semidiurnal tide and its solar companion: (period in hours, amplitude in metres, phase in hours).
CONSTITUENTS = ((12.4206, 1.42, 3.1), (12.0, 0.46, 1.7), (25.8193, 0.12, 8.0))
MEAN_LEVEL = 2.3
EPOCH = datetime(2026, 1, 1, tzinfo=timezone.utc)


def level(at: datetime) -> float:
    """Water level in metres above chart datum."""
    hours = (at - EPOCH).total_seconds() / 3600
    return MEAN_LEVEL + sum(a * cos(2 * pi * (hours - phase) / period) for period, a, phase in CONSTITUENTS)


def curve(start: datetime, hours: int, minutes: int = 20) -> list[dict]:
    points = []
    for step in range(hours * 60 // minutes + 1):
        at = start + timedelta(minutes=step * minutes)
        points.append({"at": at.isoformat(timespec="minutes"), "metres": round(level(at), 3)})
    return points


def turns(points: list[dict]) -> list[dict]:
    """High and low waters: the points higher or lower than both neighbours."""
    found = []
    for before, here, after in zip(points, points[1:], points[2:]):
        if here["metres"] >= before["metres"] and here["metres"] > after["metres"]:
            found.append({"kind": "high", **here})
        elif here["metres"] <= before["metres"] and here["metres"] < after["metres"]:
            found.append({"kind": "low", **here})
    return found


def this_hour() -> datetime:
    return datetime.now(timezone.utc).replace(minute=0, second=0, microsecond=0)


@app.get("/")
def index():
    points = curve(this_hour(), 24)
    width, height, top = 920, 240, 4.6
    xy = [
        (round(i * width / (len(points) - 1), 1), round(height - p["metres"] / top * height, 1))
        for i, p in enumerate(points)
    ]
    line = "M" + " L".join(f"{x} {y}" for x, y in xy)
    marks = [{**turn, "x": xy[points.index({k: turn[k] for k in ("at", "metres")})][0]} for turn in turns(points)]
    for mark in marks:
        mark["y"] = round(height - mark["metres"] / top * height, 1)
    return render_template(
        "index.html", now=points[0], rising=points[1]["metres"] > points[0]["metres"],
        line=line, area=f"{line} L{width} {height} L0 {height}Z", marks=marks,
    )


@app.get("/api/tide")
def tide():
    try:
        hours = int(request.args.get("hours", 24))
    except ValueError:
        return jsonify(error="hours must be a whole number"), 400
    if not 1 <= hours <= 168:
        return jsonify(error="hours must be between 1 and 168"), 400
    points = curve(this_hour(), hours)
    return jsonify(station="Harbour mole", datum="chart", turns=turns(points), points=points)


@app.get("/api/health")
def health():
    return jsonify(ok=True)


if __name__ == "__main__":
    app.run(port=5000)
