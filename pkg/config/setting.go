package config

import (
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/suggest"
)

// Setting describes one setting, for help and reference.
type Setting struct {
	Group   string // heading in help and reference
	Name    string // as a flag without dashes and as a YAML key
	Form    string // what a value looks like: PORT, FILE, TRUE|FALSE
	Default string // as a person writes it, or in words; empty = not set
	Help    string // full sentences, with units and reasons

	value value
}

// Env returns the name of the setting's environment variable.
func (s *Setting) Env() string {
	return strings.Map(func(r rune) rune {
		if r == '.' || r == '-' {
			return '_'
		}
		return r
	}, strings.ToUpper(s.Name))
}

// isBoolean reports whether the flag without a value means TRUE.
func (s *Setting) isBoolean() bool {
	_, ok := s.value.(boolean)
	return ok
}

// declaration collects the settings of a Config, bound to its fields.
type declaration struct {
	group    string
	settings []*Setting
}

// add declares a setting. The default is the value that the field holds now.
func (d *declaration) add(name, form string, v value, help string) *Setting {
	s := &Setting{Group: d.group, Name: name, Form: form, Default: v.String(), Help: help, value: v}
	d.settings = append(d.settings, s)
	return s
}

// find returns the setting with that name, or nil.
func (d *declaration) find(name string) *Setting {
	for _, s := range d.settings {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// closest returns a question for the setting that is most similar to an unknown one, or a hint at
// --help.
func (d *declaration) closest(unknown string) string {
	names := make([]string, len(d.settings))
	for i, s := range d.settings {
		names[i] = s.Name
	}
	if name := suggest.Closest(unknown, names); name != "" {
		return suggest.Text("--" + name)
	}
	return "; --help lists all"
}

// Settings returns all settings in the order of help and reference.
func Settings() []*Setting {
	c := defaults(Input{})
	return declare(&c).settings
}
