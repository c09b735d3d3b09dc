// Package lenient reads what remote services write when they take a standard lightly: base64,
// certificate chains, numbers and lists.
package lenient
