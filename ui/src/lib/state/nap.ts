// A wait that somebody can end early.

export class Nap {
  /** Ends the wait, if there is one. */
  wake: () => void = () => {};

  sleep(ms: number): Promise<void> {
    return new Promise((done) => {
      const timer = setTimeout(done, ms);
      this.wake = () => {
        clearTimeout(timer);
        done();
      };
    });
  }
}
