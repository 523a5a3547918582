// How a log is shown; remembered for every workspace alike.

export type LogLook = { wrap: boolean; timestamps: boolean; colours: boolean };
export const USUAL: LogLook = { wrap: false, timestamps: true, colours: true };
