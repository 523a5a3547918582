// Runs before the first paint so that the window never flashes in the wrong colours. A file, not inline: the content
// security policy allows no inline script.
(() => {
  var kept = null;
  try {
    kept = localStorage.getItem('slipway.theme');
  } catch (_) {
    kept = null; // Storage may be switched off; the system's choice is right then.
  }
  var light = kept === 'light' || (kept !== 'dark' && matchMedia('(prefers-color-scheme: light)').matches);
  document.documentElement.dataset.theme = light ? 'light' : 'dark';
})();
