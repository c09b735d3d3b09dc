package pdf

import (
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Object is any PDF object (ISO 32000-2 7.3): nil (null), bool, Number, String, Name, Array, *Dict,
// Ref or *Stream; in an Update also *Slot. Objects that a Document returns are shared, so Clone
// them before you change them.
type Object any

// Number is a number as it is written in the file, such as 12, -.5 or 1.50.
type Number string

// Int returns n as a Number.
func Int(n int64) Number { return Number(strconv.FormatInt(n, 10)) }

// Real returns f as a Number with at most five digits after the point, because readers keep no more
// (ISO 32000-1 Annex C).
func Real(f float64) Number {
	s := strconv.FormatFloat(f, 'f', 5, 64)
	s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	if s == "" || s == "-0" {
		s = "0"
	}
	return Number(s)
}

// Int returns the integer. It returns false if n is not an integer or does not fit.
func (n Number) Int() (int64, bool) {
	v, err := strconv.ParseInt(strings.TrimPrefix(string(n), "+"), 10, 64)
	return v, err == nil
}

// Float returns the number. It returns false if n is not well formed.
func (n Number) Float() (float64, bool) {
	v, err := strconv.ParseFloat(string(n), 64)
	if err != nil || math.IsInf(v, 0) || math.IsNaN(v) || strings.ContainsAny(string(n), "eExXpPiInN_") {
		return 0, false
	}
	return v, true
}

// Name is a name without its slash, with #xx resolved.
type Name string

// String is the bytes of a string object: decoded, and decrypted if the file is encrypted.
type String struct {
	Value  string
	source string // as written in the file; empty if this package made or decrypted it
}

// Ref is an indirect reference.
type Ref struct{ Number, Generation int }

func (r Ref) String() string {
	return strconv.Itoa(r.Number) + " " + strconv.Itoa(r.Generation) + " R"
}

// Array is an array object.
type Array []Object

// Clone returns a copy whose elements are shared.
func (a Array) Clone() Array { return slices.Clone(a) }

// Dict is a dictionary object. It keeps the order of its entries. A nil *Dict is an empty
// dictionary.
type Dict struct {
	keys         []Name
	values       []Object
	index        map[Name]int // made if the dictionary is large
	duplicate    Name
	hasDuplicate bool
}

const indexedDict = 16 // a Dict with more entries has an index

// NewDict returns a dictionary with the given entries: key, value, key, value and so on. Keys are
// Name or string.
func NewDict(entries ...Object) *Dict {
	d := &Dict{}
	for i := 0; i+1 < len(entries); i += 2 {
		switch k := entries[i].(type) {
		case Name:
			d.Set(k, entries[i+1])
		case string:
			d.Set(Name(k), entries[i+1])
		}
	}
	return d
}

func (d *Dict) find(key Name) int {
	if d == nil {
		return -1
	}
	if d.index != nil {
		if i, ok := d.index[key]; ok {
			return i
		}
		return -1
	}
	return slices.Index(d.keys, key)
}

// Get returns the value of an entry as it is written, which may be a Ref. It returns nil if there
// is no such entry.
func (d *Dict) Get(key Name) Object {
	if i := d.find(key); i >= 0 {
		return d.values[i]
	}
	return nil
}

// Has reports whether there is an entry, even if its value is null.
func (d *Dict) Has(key Name) bool { return d.find(key) >= 0 }

// Set replaces the entry, or appends it.
func (d *Dict) Set(key Name, value Object) {
	if i := d.find(key); i >= 0 {
		d.values[i] = value
		return
	}
	d.keys, d.values = append(d.keys, key), append(d.values, value)
	switch {
	case d.index != nil:
		d.index[key] = len(d.keys) - 1
	case len(d.keys) > indexedDict:
		d.reindex()
	}
}

// add is Set for the parser. It also records a key that the dictionary already has.
func (d *Dict) add(key Name, value Object) {
	if d.Has(key) {
		d.duplicate, d.hasDuplicate = key, true
	}
	d.Set(key, value)
}

// Delete removes the entry if it is there.
func (d *Dict) Delete(key Name) {
	i := d.find(key)
	if i < 0 {
		return
	}
	d.keys, d.values = slices.Delete(d.keys, i, i+1), slices.Delete(d.values, i, i+1)
	if d.index != nil {
		d.reindex()
	}
}

func (d *Dict) reindex() {
	d.index = make(map[Name]int, len(d.keys))
	for i, k := range d.keys {
		d.index[k] = i
	}
}

// Len is the number of entries.
func (d *Dict) Len() int {
	if d == nil {
		return 0
	}
	return len(d.keys)
}

// All iterates over the entries in their order.
func (d *Dict) All() iter.Seq2[Name, Object] {
	return func(yield func(Name, Object) bool) {
		if d == nil {
			return
		}
		for i, k := range d.keys {
			if !yield(k, d.values[i]) {
				return
			}
		}
	}
}

// Clone returns a copy whose values are shared.
func (d *Dict) Clone() *Dict {
	c := &Dict{}
	for k, v := range d.All() {
		c.Set(k, v)
	}
	if d != nil {
		c.duplicate, c.hasDuplicate = d.duplicate, d.hasDuplicate
	}
	return c
}

// Duplicate returns a key that occurs twice in this dictionary of the file. Readers differ in which
// of the two values they use.
func (d *Dict) Duplicate() (Name, bool) {
	if d == nil {
		return "", false
	}
	return d.duplicate, d.hasDuplicate
}

// Stream is a stream object. A Stream that was read knows where its data is in the file; a Stream
// of NewStream contains its data.
type Stream struct {
	Dict   *Dict
	Ref    Ref   // of the object in the file
	offset int64 // of the data
	length int64
	data   []byte // of a new stream, encoded as the /Filter of Dict says
	isNew  bool
}

// NewStream returns a stream to write in an Update. data must be encoded as the /Filter of dict
// says. Writing sets /Length.
func NewStream(dict *Dict, data []byte) *Stream {
	return &Stream{Dict: dict, data: data, length: int64(len(data)), isNew: true}
}
