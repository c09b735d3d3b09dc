package clientservice

import (
	"fmt"
	"strconv"
	"strings"
)

// maxMistakes bounds the number of mistakes in an error text, because a file of a wrong kind would
// otherwise fill the log.
const maxMistakes = 50

// Mistake is one mistake in a client-services file. It holds no secret.
type Mistake struct {
	ClientService string // its id; empty = the whole file
	Field         string // JSON name, dotted below the first level; empty = the whole entry
	Text          string
}

func (m Mistake) String() string {
	var b strings.Builder
	if m.ClientService != "" {
		b.WriteString("client service " + strconv.Quote(m.ClientService) + ": ")
	}
	if m.Field != "" {
		b.WriteString(m.Field + ": ")
	}
	b.WriteString(m.Text)
	return b.String()
}

// InvalidError lists all mistakes in a client-services file, in the order of the file.
type InvalidError struct {
	Mistakes []Mistake
}

// Error lists the mistakes, one per line if there are several.
func (e *InvalidError) Error() string {
	if len(e.Mistakes) == 1 {
		return e.Mistakes[0].String()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d mistakes:", len(e.Mistakes))
	for i, m := range e.Mistakes {
		if i == maxMistakes {
			fmt.Fprintf(&b, "\n  … and %d more", len(e.Mistakes)-i)
			break
		}
		b.WriteString("\n  " + m.String())
	}
	return b.String()
}

// mistakes collects mistakes.
type mistakes struct{ list []Mistake }

func (m *mistakes) add(id, field, format string, args ...any) {
	m.list = append(m.list, Mistake{ClientService: id, Field: field, Text: fmt.Sprintf(format, args...)})
}

func (m *mistakes) err() error {
	if len(m.list) == 0 {
		return nil
	}
	return &InvalidError{Mistakes: m.list}
}
