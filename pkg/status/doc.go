// Package status renders the page for operators on the management port: one HTML document without
// script, font, picture or any other thing from elsewhere.
package status
