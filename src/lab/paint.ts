/** Colour as an argument: this folder says what a text is, the terminal decides how it looks. */
export type Style = 'title' | 'good' | 'bad' | 'dim'

export type Paint = (style: Style, text: string) => string

/** No colour at all: files, pipes, transcripts. */
export const plain: Paint = (_style, text) => text
