package config

import "strings"

// maxSuggestBytes bounds the names that are compared: the comparison is quadratic, and no setting's
// name is that long.
const maxSuggestBytes = 200

// closest is "; do you mean --NAME?" for the known name nearest to an unknown one, or empty where
// none is near.
func (l *loader) closest(name string) string {
	if len(name) > maxSuggestBytes {
		return ""
	}
	best, least := "", len(name)/2+1 // a name of which half is wrong is another name
	for _, s := range l.declared.settings {
		// Somebody who writes the end of a long name (service.domain) or the start of a group means that
		// one.
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

// editDistance is the number of single-byte insertions, deletions and replacements that turn a into
// b (Levenshtein).
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
