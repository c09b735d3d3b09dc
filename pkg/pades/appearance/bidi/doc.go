// Package bidi finds the direction of each character in a line of text that mixes scripts written
// from left to right and from right to left: the Unicode Bidirectional Algorithm (UAX #9).
package bidi
