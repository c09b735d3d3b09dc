package clientservice

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/suggest"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// fields maps the JSON names of an object to the targets of their values. A target is a *string,
// *Secret, *bool, or a func that returns the fields of a nested object.
type fields map[string]any

func (c *ClientService) fields() fields {
	return fields{
		"secret":         &c.Secret,
		"previousSecret": &c.PreviousSecret,
		"inputFolder":    &c.InputFolder,
		"backupFolder":   &c.BackupFolder,
		"outputFolder":   &c.OutputFolder,
		"provider":       &c.Provider,
		"callbackUrl":    &c.CallbackURL,
		"visibleSignatureInfo": func() fields {
			c.VisibleSignatureInfo = &VisibleSignatureInfo{}
			return c.VisibleSignatureInfo.fields()
		},
		"signatureInfo": func() fields {
			c.SignatureInfo = &SignatureInfo{}
			return c.SignatureInfo.fields()
		},
	}
}

func (v *VisibleSignatureInfo) fields() fields {
	known := textFields(v.Texts())
	known["imageValue"] = &v.ImageValue
	return known
}

// textFields returns the fields of an object that holds only texts.
func textFields(texts map[string]*string) fields {
	known := make(fields, len(texts))
	for name, text := range texts {
		known[name] = text
	}
	return known
}

func (s *SignatureInfo) fields() fields {
	return fields{
		"signatureType":  &s.SignatureType,
		"level":          &s.Level,
		"reason":         &s.Reason,
		"location":       &s.Location,
		"applyTimestamp": &s.ApplyTimestamp,
		"profile":        &s.Profile,
		"packaging":      &s.Packaging,
		"existing":       &s.Existing,
		"advancedSignatureInfo": func() fields {
			s.AdvancedSignatureInfo = new(signing.AdvancedSignature)
			return textFields(s.AdvancedSignatureInfo.Texts())
		},
	}
}

// decodeEntry decodes and validates one client service. It adds mistakes to m and returns the
// client service in any case.
func decodeEntry(e member, m *mistakes) *ClientService {
	c := &ClientService{ID: e.name}
	d := entryDecoder{id: e.name, mistakes: m}
	before := len(m.list)
	d.object("", e.value, c.fields())
	if len(m.list) == before { // otherwise validate would also report a field of the wrong type as missing
		validate(c, m)
	}
	return c
}

// entryDecoder decodes the objects of one client service.
type entryDecoder struct {
	id string
	*mistakes
	limit func(name string) int // bytes of a text; nil = there is no limit for single texts
}

// object decodes data into the targets of known. prefix is the dotted name of the object with a
// final dot.
func (d *entryDecoder) object(prefix string, data json.RawMessage, known fields) {
	members, ok := readObject(data)
	if !ok {
		d.add(d.id, strings.TrimSuffix(prefix, "."), "want an object")
		return
	}
	seen := make(map[string]bool, len(members))
	for _, f := range members {
		name := prefix + f.name
		target, ok := known[f.name]
		switch {
		case !ok:
			d.unknown(name, f.name, known)
		case seen[f.name]:
			d.add(d.id, name, "occurs twice")
		default:
			d.value(name, f.value, target)
		}
		seen[f.name] = true
	}
}

// unknown adds the mistake of an unknown key. It suggests the known key if only the case of the
// letters differs. It cuts long keys, because they may hold anything.
func (d *entryDecoder) unknown(name, key string, known fields) {
	if meant := suggest.IgnoringCase(key, slices.Collect(maps.Keys(known))); meant != "" {
		d.add(d.id, name, "unknown key%s", suggest.Text(meant))
		return
	}
	if len(name) > 64 {
		name = strings.ToValidUTF8(name[:64], "") + "…"
	}
	d.add(d.id, name, "unknown key")
}

func (d *entryDecoder) value(name string, data json.RawMessage, target any) {
	switch target := target.(type) {
	case *string:
		d.text(name, data, target)
	case *Secret:
		var text string
		if d.text(name, data, &text) {
			*target = NewSecret(text)
			if text == "" {
				d.add(d.id, name, "is empty")
			}
		}
	case *bool:
		if json.Unmarshal(data, target) != nil || isNull(data) {
			d.add(d.id, name, "want true or false")
		}
	case func() fields:
		d.object(name+".", data, target())
	}
}

func (d *entryDecoder) text(name string, data json.RawMessage, target *string) bool {
	if json.Unmarshal(data, target) != nil || isNull(data) {
		d.add(d.id, name, "want a string")
		return false
	}
	if d.limit != nil && len(*target) > d.limit(name) {
		d.add(d.id, name, "is longer than %d bytes", d.limit(name))
		return false
	}
	return true
}

// isNull reports whether data is null. json.Unmarshal accepts null for every type and changes
// nothing.
func isNull(data json.RawMessage) bool { return bytes.Equal(bytes.TrimSpace(data), []byte("null")) }

// DecodeSettings reads a client service without its secrets from data, one JSON object with the
// keys of an entry of the file. It is as strict as Decode, and it refuses the secrets as unknown
// keys. The caller must validate the result with NewServices.
func DecodeSettings(id string, data []byte) (ClientService, error) {
	c := ClientService{ID: id}
	var m mistakes
	switch text := syntaxMistake(data); {
	case len(data) > MaxFileBytes:
		m.add(id, "", "larger than %d bytes", MaxFileBytes)
	case !utf8.Valid(data):
		m.add(id, "", "not UTF-8")
	case text != "":
		m.add(id, "", "%s", text)
	default:
		known := c.fields()
		delete(known, "secret")
		delete(known, "previousSecret")
		d := entryDecoder{id: id, mistakes: &m}
		d.object("", data, known)
	}
	return c, m.err()
}
