// Package status renders the page for operators on the management port: one HTML document without
// script, and without fonts, pictures or anything else from other servers.
package status
