// Stars on a canvas and the moon's phase in words. No library, no network.
const canvas = document.getElementById('sky');
const pen = canvas.getContext('2d');
const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;

// The same stars at every visit: a small generator with a fixed seed.
let seed = 20260411;
const random = () => ((seed = (seed * 1664525 + 1013904223) % 4294967296) / 4294967296);
const stars = Array.from({ length: 260 }, () => ({
  x: random(), y: random() ** 1.4, size: 0.4 + random() ** 3 * 1.9, phase: random() * 6.28, warm: random() < 0.2,
}));

function draw(time) {
  const scale = devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth * scale, canvas.clientHeight * scale];
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  pen.clearRect(0, 0, width, height);
  for (const star of stars) {
    pen.globalAlpha = (1 - star.y * 0.8) * (0.65 + 0.35 * Math.sin(time / 900 + star.phase));
    pen.fillStyle = star.warm ? '#ffe2b8' : '#dfe6ff';
    pen.beginPath();
    pen.arc(star.x * width, star.y * height, star.size * scale, 0, 6.2832);
    pen.fill();
  }
}

// A frame ten times a second is enough for a twinkle and costs next to nothing.
draw(0);
addEventListener('resize', () => draw(performance.now()));
if (!calm) setInterval(() => document.hidden || draw(performance.now()), 100);

const names = ['new', 'a waxing crescent', 'at its first quarter', 'waxing', 'full', 'waning', 'at its last quarter', 'a waning crescent'];
const days = (Date.now() - Date.UTC(2000, 0, 6, 18, 14)) / 86400000;
const age = ((days % 29.530588) + 29.530588) % 29.530588;
document.getElementById('phase').textContent = names[Math.round((age / 29.530588) * 8) % 8];
