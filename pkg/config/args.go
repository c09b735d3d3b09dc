package config

import "strings"

// asked says what the command line asks for instead of a start.
type asked struct{ help, version, check bool }

// checkFlag is the flag that asks for a check of the configuration.
const checkFlag = "check-config"

// args reads the command line: --name=value, --name value, and --name alone for TRUE. As in package
// flag, one dash is enough, and the last value of a repeated flag counts.
func (l *loader) args(args []string) (map[string]given, asked) {
	values := make(map[string]given)
	var ask asked
	for i := 0; i < len(args); i++ {
		arg := args[i]
		name, isFlag := flagName(arg)
		if !isFlag {
			l.mistake("unexpected argument %s; settings are given as --name=value", quote(arg))
			continue
		}
		name, value, hasValue := strings.Cut(name, "=")
		switch name {
		case "help", "h":
			return nil, asked{help: true}
		case "version":
			return nil, asked{version: true}
		case checkFlag:
			if ask.check = true; hasValue {
				l.mistake("flag --%s takes no value", checkFlag)
			}
			continue
		}
		next := i+1 < len(args) && !strings.HasPrefix(args[i+1], "-")
		s := l.declared.find(name)
		switch {
		case s == nil:
			l.mistake("unknown flag --%s%s", name, l.declared.closest(name))
			if !hasValue && next {
				i++ // most likely the value of the unknown flag
			}
			continue
		case hasValue:
		case s.isBoolean():
			value = "TRUE"
		case next:
			i++
			value = args[i]
		default:
			l.mistake("flag --%s needs a value: --%s=%s", name, name, s.Form)
			continue
		}
		values[name] = given{value, "flag --" + name}
	}
	return values, ask
}

// flagName returns what follows the dashes of a flag.
func flagName(arg string) (string, bool) {
	name, ok := strings.CutPrefix(arg, "-")
	name = strings.TrimPrefix(name, "-")
	return name, ok && name != ""
}
