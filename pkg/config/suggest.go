package config

import "strings"

// maxSuggestBytes bounds the names that are compared, because the comparison is quadratic. No
// setting has such a long name.
const maxSuggestBytes = 200

// closest returns "; do you mean --NAME?" for the known name that is most similar to an unknown
// one. If no name is similar, it returns a hint at --help.
func (l *loader) closest(name string) string {
	if len(name) > maxSuggestBytes {
		return ""
	}
	best, least := "", len(name)/2+1 // if half of a name is wrong, it is another name
	for _, s := range l.declared.settings {
		// The end of a long name (service.domain) is a match.
		distance := editDistance(strings.ToLower(name), strings.ToLower(s.Name))
		if len(name) >= 6 && strings.HasSuffix(strings.ToLower(s.Name), "."+strings.ToLower(name)) {
			distance = min(distance, 1)
		}
		if distance < least {
			best, least = s.Name, distance
		}
	}
	if best == "" {
		return "; --help lists all"
	}
	return "; do you mean --" + best + "?"
}

// editDistance returns the number of single-byte insertions, deletions and replacements that turn a
// into b (Levenshtein distance).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
