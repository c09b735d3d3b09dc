// Package bidi finds the direction of each character in a line of text that mixes left-to-right and
// right-to-left scripts. It implements the Unicode Bidirectional Algorithm (UAX #9).
package bidi
