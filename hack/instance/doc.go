// Package instance starts a built proxy on free ports of 127.0.0.1, for the demo, the benchmarks
// and the text scripts.
package instance
