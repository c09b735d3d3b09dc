package lenient

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
)

// Number is a JSON number, or a number in a string, as some services write it. Values outside int32
// are clamped to its range.
type Number int

// UnmarshalJSON implements json.Unmarshaler.
func (n *Number) UnmarshalJSON(text []byte) error {
	v := strings.Trim(string(text), `"`)
	if v == "" || v == "null" {
		return nil
	}
	f, err := strconv.ParseFloat(v, 64)
	if err != nil || math.IsNaN(f) {
		return errors.New("not a number")
	}
	*n = Number(min(max(f, math.MinInt32), math.MaxInt32))
	return nil
}

// List is a JSON array of strings, or a single string. Null becomes an empty list. A nil List means
// that the member was absent.
type List []string

// UnmarshalJSON implements json.Unmarshaler.
func (l *List) UnmarshalJSON(text []byte) error {
	if text = bytes.TrimSpace(text); len(text) > 0 && text[0] == '"' {
		var one string
		if err := json.Unmarshal(text, &one); err != nil {
			return err
		}
		*l = List{one}
		return nil
	}
	if string(text) == "null" {
		*l = List{}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(l))
}

// Word is the text of a JSON string, number or boolean.
type Word string

// UnmarshalJSON implements json.Unmarshaler.
func (w *Word) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		return nil
	}
	*w = Word(strings.Trim(string(text), `"`))
	return nil
}
