// Package textsearch finds where a word is on the pages of a PDF document.
//
// Find runs the content streams of the pages in order, but paints nothing. It follows the graphics
// state and the text state through form XObjects (ISO 32000-2 8.4, 8.10, 9.4), and records where
// each character is and which character it is. It knows the latter from ToUnicode, from the
// encoding of a simple font, or from the Unicode CMap of a composite font (9.6, 9.7, 9.10). It then
// arranges the characters of a page in lines, as a reader of the page sees them. So it does not
// matter how many operators show a word, or in which order. Annotations are not searched.
//
// The document is not trusted: pages, operators, characters, bytes, nesting and the work on fonts
// are bounded (limits.go). A damaged part of a page is skipped, as other readers do. Only an
// unreadable page tree, an exceeded limit or a failing disk ends a search with an error.
package textsearch
