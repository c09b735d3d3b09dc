package config

import (
	"fmt"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/timestamp"
)

// Input holds the sources of settings. Apart from these, Load reads only the files that settings
// name.
type Input struct {
	Args     []string // command line without the program's name
	Env      []string // NAME=value, as os.Environ gives it
	HostName string   // as os.Hostname gives it
	// ProviderKinds creates empty settings for each kind of provider that the YAML file may name.
	ProviderKinds map[string]func() ProviderSettings
}

// env returns the last value of a variable, as the operating system does, or "" if it is not set.
func (in Input) env(name string) string {
	for i := len(in.Env) - 1; i >= 0; i-- {
		if value, ok := strings.CutPrefix(in.Env[i], name+"="); ok {
			return value
		}
	}
	return ""
}

// InvalidError holds all mistakes of a configuration.
type InvalidError struct{ Mistakes []string }

// Error lists the mistakes, one on each line if there are several.
func (e *InvalidError) Error() string {
	if len(e.Mistakes) == 1 {
		return e.Mistakes[0]
	}
	return fmt.Sprintf("%d mistakes in the configuration:\n  %s", len(e.Mistakes), strings.Join(e.Mistakes, "\n  "))
}

// given is a value together with the place where it was given, in words: flag --server.port,
// environment variable SERVER_PORT.
type given struct{ text, origin string }

// loader collects values and mistakes.
type loader struct {
	declared *declaration
	kinds    map[string]func() ProviderSettings
	lists    struct { // settings that only the file can hold
		providers   []Provider
		authorities []timestamp.AuthoritySettings
	}
	mistakes []string
}

func (l *loader) mistake(format string, args ...any) {
	l.mistakes = append(l.mistakes, fmt.Sprintf(format, args...))
}

// Load returns the configuration. The error is an *InvalidError that holds all mistakes. The
// returned configuration is then incomplete: a setting with a mistake has its default. If the
// command line asks for help or the version, Load reads nothing else.
func Load(in Input) (Config, error) {
	c := defaults(in)
	l := &loader{declared: declare(&c), kinds: in.ProviderKinds}
	flags, ask := l.args(in.Args)
	if ask.help || ask.version {
		c.Help, c.Version = ask.help, ask.version
		return c, nil
	}
	c.CheckConfig = ask.check
	env := l.env(in)
	file := l.file(first(flags["config"], env["config"]).text)
	for _, s := range l.declared.settings {
		v := first(flags[s.Name], env[s.Name], file[s.Name])
		if v.text == "" {
			continue
		}
		if err := s.value.set(v.text); err != nil {
			l.mistake("%s: %v, not %s%s", v.origin, err, quote(v.text), hint(v.text))
		}
	}
	l.join(&c)
	c.complete()
	l.check(&c)
	if len(l.mistakes) > 0 {
		return c, &InvalidError{Mistakes: l.mistakes}
	}
	return c, nil
}

// join copies the lists of the file to c.
func (l *loader) join(c *Config) {
	c.Providers = l.lists.providers
	if len(l.lists.authorities) > 0 {
		if len(c.Timestamp.Authorities) > 0 {
			l.mistake("--timestamp.urls and timestamp.authorities in the YAML file exclude each other")
		}
		c.Timestamp.Authorities = l.lists.authorities
	}
}

// hint explains values that nobody wrote. For a Service with the name server, the kubelet sets
// SERVER_PORT=tcp://10.0.0.1:8080 in every pod that enables service links.
func hint(text string) string {
	if strings.HasPrefix(text, "tcp://") {
		return " (a service link of Kubernetes? enableServiceLinks: false switches them off)"
	}
	return ""
}

// first returns the first value that is not empty.
func first(values ...given) given {
	for _, v := range values {
		if v.text != "" {
			return v
		}
	}
	return given{}
}

// env reads the environment variables of all settings.
func (l *loader) env(in Input) map[string]given {
	values := make(map[string]given)
	for _, s := range l.declared.settings {
		if v := in.env(s.Env()); v != "" {
			values[s.Name] = given{v, "environment variable " + s.Env()}
		}
	}
	return values
}

// quote formats a value for an error, and cuts it if it is long.
func quote(s string) string {
	const most = 80
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return fmt.Sprintf("%q", s)
}
