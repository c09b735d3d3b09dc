// Package trialpki makes a chain of certificates with a timestamp authority and revocation data,
// for tests of signatures above level B-B.
package trialpki
