// Package suggest finds the name that somebody most likely meant by an unknown one.
package suggest

import "strings"

// maxBytes bounds the names that are compared, because the comparison is quadratic. No setting has
// such a long name.
const maxBytes = 200

// Text says which name is meant. It follows the statement that a name is unknown.
func Text(name string) string { return "; did you mean " + name + "?" }

// IgnoringCase returns the known name that differs from an unknown one only in the case of letters;
// "" if there is none.
func IgnoringCase(unknown string, known []string) string {
	for _, name := range known {
		if strings.EqualFold(name, unknown) {
			return name
		}
	}
	return ""
}

// Closest returns the known name that is most similar to an unknown one, whatever the case of its
// letters; "" if none is similar. The end of a long name after a dot counts as similar.
func Closest(unknown string, known []string) string {
	if len(unknown) > maxBytes {
		return ""
	}
	unknown = strings.ToLower(unknown)
	best, least := "", len(unknown)/2+1 // if half of a name is wrong, it is another name
	for _, name := range known {
		lower := strings.ToLower(name)
		distance := editDistance(unknown, lower)
		if len(unknown) >= 6 && strings.HasSuffix(lower, "."+unknown) {
			distance = min(distance, 1)
		}
		if distance < least {
			best, least = name, distance
		}
	}
	return best
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
