// Package lenient reads answers of remote services that do not follow a standard exactly: base64,
// certificate chains, numbers and lists.
package lenient
