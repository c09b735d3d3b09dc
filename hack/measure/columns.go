package main

import (
	"bytes"
	"go/scanner"
	"go/token"
	"strings"
	"unicode/utf8"
)

// Limits of the house: columns of a line of code and of a comment line. A tab is one column.
const codeColumns, commentColumns = 120, 100

// longLine is a line of a Go file that has too many columns.
type longLine struct {
	number, columns int
	comment         bool // the line is a comment and nothing else
}

// longLines returns the lines of a Go file that have too many columns. A line of code is allowed if
// the excess lies in a raw string, and a comment line if it is a single word, such as a URL:
// neither can be broken.
func longLines(text []byte) (found []longLine) {
	raw := rawStrings(text)
	number := 0
	for line := range bytes.Lines(text) {
		number++
		line = bytes.TrimRight(line, "\r\n")
		columns := utf8.RuneCount(line)
		words, comment := strings.CutPrefix(strings.TrimSpace(string(line)), "//")
		switch {
		case comment && columns > commentColumns && len(strings.Fields(words)) > 1,
			!comment && columns > codeColumns && !raw.cover(number, codeColumns):
			found = append(found, longLine{number, columns, comment})
		}
	}
	return found
}

// spans are stretches of a file: the positions of first and last character of each.
type spans [][2]token.Position

// cover reports whether the character at a line and column lies in one of the spans.
func (s spans) cover(line, column int) bool {
	for _, span := range s {
		from, to := span[0], span[1]
		if (line > from.Line || line == from.Line && column >= from.Column) &&
			(line < to.Line || line == to.Line && column <= to.Column) {
			return true
		}
	}
	return false
}

// rawStrings returns where the raw strings of a Go file are.
func rawStrings(text []byte) (found spans) {
	files := token.NewFileSet()
	file := files.AddFile("", -1, len(text))
	var s scanner.Scanner
	s.Init(file, text, nil, 0)
	for {
		pos, kind, literal := s.Scan()
		switch {
		case kind == token.EOF:
			return found
		case kind == token.STRING && literal[0] == '`':
			// The scanner drops carriage returns from the literal, so the end may be a little early.
			found = append(found, [2]token.Position{file.Position(pos), file.Position(pos + token.Pos(len(literal)) - 1)})
		}
	}
}
