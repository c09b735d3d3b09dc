package lenient

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
)

// Number is a JSON number, or one in a string, as some services write it. It is bounded to an
// int32.
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

// List is a JSON array of strings, or one string alone. Null has no elements; nil is a list that
// was not there.
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

// Word is a JSON string, number or boolean, as text.
type Word string

// UnmarshalJSON implements json.Unmarshaler.
func (w *Word) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		return nil
	}
	*w = Word(strings.Trim(string(text), `"`))
	return nil
}
