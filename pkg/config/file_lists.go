package config

import (
	"errors"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/signstash-proxy/signstash-proxy/pkg/timestamp"
)

// lists holds the readers of settings that only the YAML file can hold: lists of entries with
// several values each.
var lists = map[string]func(f *yamlFile, name string, key, value *yaml.Node){
	"providers":             (*yamlFile).providers,
	"timestamp.authorities": (*yamlFile).authorities,
}

// entries returns the entries of a list that are mappings. It reports a mistake for everything
// else.
func (f *yamlFile) entries(name string, value *yaml.Node) []*yaml.Node {
	if value.Tag == "!!null" {
		return nil
	}
	if value.Kind != yaml.SequenceNode || len(value.Content) > maxList {
		f.mistake("%s: %s: want a list of at most %d entries", f.at(value), name, maxList)
		return nil
	}
	var good []*yaml.Node
	for _, n := range value.Content {
		if n.Kind != yaml.MappingNode {
			f.mistake("%s: %s: want entries of the form name: value", f.at(n), name)
			continue
		}
		good = append(good, n)
	}
	return good
}

// providerName is the form of names that can be used in logs, metrics and folder names.
var providerName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// providers reads the list of providers. Each entry has a name and a kind, and the settings of that
// kind.
func (f *yamlFile) providers(list string, _, value *yaml.Node) {
	for _, n := range f.entries(list, value) {
		name, kind, rest := nameAndKind(n)
		at := f.at(n) + ": provider " + quote(name)
		if !providerName.MatchString(name) {
			f.mistake("%s: name: want letters, digits, dots, dashes and underscores, 63 at most", at)
		}
		if slices.ContainsFunc(f.lists.providers, func(p Provider) bool { return p.Name == name }) {
			f.mistake("%s: is there twice", at)
		}
		makeSettings := f.kinds[kind]
		if makeSettings == nil {
			f.mistake("%s: kind: %s is not one of %s", at, quote(kind), strings.Join(slices.Sorted(maps.Keys(f.kinds)), ", "))
			continue
		}
		settings := makeSettings()
		f.decode(at, rest, settings)
		f.invalid(at, settings.Validate())
		f.filesOf(at, settings)
		f.lists.providers = append(f.lists.providers, Provider{Name: name, Kind: kind, Settings: settings})
	}
}

// nameAndKind returns name and kind of an entry, and the entry without them.
func nameAndKind(n *yaml.Node) (name, kind string, rest *yaml.Node) {
	out := *n
	out.Content = nil
	for i := 0; i+1 < len(n.Content); i += 2 {
		switch n.Content[i].Value {
		case "name":
			name = n.Content[i+1].Value
		case "kind":
			kind = n.Content[i+1].Value
		default:
			out.Content = append(out.Content, n.Content[i], n.Content[i+1])
		}
	}
	return name, kind, &out
}

// authorities reads the list of timestamp authorities.
func (f *yamlFile) authorities(list string, _, value *yaml.Node) {
	for _, n := range f.entries(list, value) {
		var a timestamp.AuthoritySettings
		at := f.at(n) + ": " + list
		f.decode(at, n, &a)
		f.filesOf(at, &a)
		f.invalid(at, a.Validate())
		f.lists.authorities = append(f.lists.authorities, a)
	}
}

// invalid reports the mistakes that Validate has joined, each as one.
func (f *yamlFile) invalid(at string, err error) {
	switch joined, ok := err.(interface{ Unwrap() []error }); {
	case err == nil:
	case ok:
		for _, one := range joined.Unwrap() {
			f.invalid(at, one)
		}
	default:
		f.mistake("%s: %v", at, err)
	}
}

// decode fills the struct to which to points. It reports every key for which the struct has no
// field.
func (f *yamlFile) decode(at string, n *yaml.Node, to any) {
	known := yamlKeys(to)
	seen, twice := make(map[string]bool), false
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i].Value
		if !slices.Contains(known, key) {
			f.mistake("%s: unknown key %s; there are %s", at, quote(key), strings.Join(known, ", "))
		}
		if seen[key] {
			f.mistake("%s: %s is there twice", at, key)
			twice = true
		}
		seen[key] = true
	}
	var wrong *yaml.TypeError
	switch err := n.Decode(to); {
	case twice: // the decoder fills nothing in this case
	case errors.As(err, &wrong):
		for _, text := range wrong.Errors {
			f.mistake("%s: %s", at, text)
		}
	case err != nil:
		f.mistake("%s: %v", at, err)
	}
}

// yamlKeys returns the YAML keys of the fields of the struct to which to points.
func yamlKeys(to any) []string {
	var keys []string
	for _, field := range reflect.VisibleFields(reflect.TypeOf(to).Elem()) {
		if key, _, _ := strings.Cut(field.Tag.Get("yaml"), ","); key != "" {
			keys = append(keys, key)
		}
	}
	return keys
}

// madeLater lists settings whose files a running proxy creates, or which others create and remove
// while it runs. These files need not exist at the start.
var madeLater = []string{"accountFile", "tokensFile", "otpFile"}

// filesOf requires that the files that an entry names can be opened.
func (f *yamlFile) filesOf(at string, settings any) {
	v := reflect.ValueOf(settings).Elem()
	for _, field := range reflect.VisibleFields(v.Type()) {
		key, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		if field.Type.Kind() != reflect.String || slices.Contains(madeLater, key) ||
			key != "file" && !strings.HasSuffix(key, "File") {
			continue
		}
		if err := readableFile(v.FieldByIndex(field.Index).String()); err != nil {
			f.mistake("%s: %s: %v", at, key, err)
		}
	}
}
