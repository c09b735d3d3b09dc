package hotfolder

import (
	"path"
	"strings"
)

// patterns are patterns of names, as in path.Match. A scan compares each name of a folder with all
// of them, and path.Match would take as much time as reading the folder. So the usual patterns,
// with one star at the beginning or at the end, are compared without it.
type patterns struct {
	exact, prefixes, suffixes []string
	others                    []string // for path.Match
}

func newPatterns(list []string) (p patterns) {
	const special = `*?[\`
	for _, pattern := range list {
		prefix, endsInStar := strings.CutSuffix(pattern, "*")
		suffix, beginsWithStar := strings.CutPrefix(pattern, "*")
		switch {
		case !strings.ContainsAny(pattern, special):
			p.exact = append(p.exact, pattern)
		case endsInStar && !strings.ContainsAny(prefix, special):
			p.prefixes = append(p.prefixes, prefix)
		case beginsWithStar && !strings.ContainsAny(suffix, special):
			p.suffixes = append(p.suffixes, suffix)
		default:
			p.others = append(p.others, pattern)
		}
	}
	return p
}

// match reports whether a name has one of the patterns. A pattern with a mistake matches no name.
func (p *patterns) match(name string) bool {
	for _, text := range p.exact {
		if name == text {
			return true
		}
	}
	for _, prefix := range p.prefixes {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	for _, suffix := range p.suffixes {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	for _, pattern := range p.others {
		if ok, _ := path.Match(pattern, name); ok {
			return true
		}
	}
	return false
}
