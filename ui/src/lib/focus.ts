// A field that appears because somebody asked to type in it has the focus at once, and gives it back when it goes.
// The `autofocus` of Svelte would leave it with the button that was pressed. In a dialog `autofocus` says which field
// comes first; see parts/shared/Modal.svelte.
export function focused(field: HTMLElement): () => void {
  const before = document.activeElement;
  field.focus();
  return () => {
    const now = document.activeElement;
    if (before instanceof HTMLElement && (now === field || now === document.body)) before.focus();
  };
}
