package endpoints_test

import (
	"fmt"
	"maps"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
	"github.com/signstash-proxy/signstash-proxy/pkg/controller/internal/testenv"
)

// wantRemovals waits until the directory states these numbers of instances and has counted these
// removals.
func (w *world) wantRemovals(expected, stopped int, removals map[int]uint64) affinity.Directory {
	w.t.Helper()
	var d affinity.Directory
	testenv.Eventually(w.t, func() (err error) {
		if d, err = w.directory(); err != nil {
			return err
		}
		if d.Expected != expected || d.Stopped != stopped || !maps.Equal(d.Removals, removals) {
			return fmt.Errorf("directory has expected %d, stopped %d, removals %v; want %d, %d, %v", d.Expected, d.Stopped,
				d.Removals, expected, stopped, removals)
		}
		return nil
	})
	return d
}

// TestRemovals checks that each instance that is not expected any more is counted once, also when
// no controller runs at that moment, and that a stop of all instances removes only those that stay
// away afterwards.
func TestRemovals(t *testing.T) {
	w := newWorld(t, podDNS, 4)
	w.wantRemovals(4, 0, nil)
	w.scale(3)
	w.wantRemovals(3, 0, map[int]uint64{3: 1})
	w.scale(5)
	w.wantRemovals(5, 0, map[int]uint64{3: 1})
	w.stop()
	w.scale(2)
	w.start()
	w.wantRemovals(2, 0, map[int]uint64{2: 1, 3: 2, 4: 1})
	w.scale(0)
	w.wantRemovals(0, 2, map[int]uint64{2: 1, 3: 2, 4: 1})
	w.change(nil)
	w.look()
	w.wantRemovals(0, 2, map[int]uint64{2: 1, 3: 2, 4: 1})
	w.scale(1)
	w.wantRemovals(1, 0, map[int]uint64{1: 1, 2: 1, 3: 2, 4: 1})
	w.scale(0)
	w.wantRemovals(0, 1, map[int]uint64{1: 1, 2: 1, 3: 2, 4: 1})
	w.scale(5)
	w.wantRemovals(5, 0, map[int]uint64{1: 1, 2: 1, 3: 2, 4: 1})
}

// TestLostRemovals checks that no number of removals falls when the directory is deleted, damaged
// or replaced by an old one.
func TestLostRemovals(t *testing.T) {
	object := func() *corev1.ConfigMap { return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: directoryName}} }
	set := func(w *world, content string) {
		testenv.Eventually(w.t, func() error {
			m := object()
			w.get(m)
			m.Data = map[string]string{affinity.DirectoryKey: content}
			return w.api.Update(w.t.Context(), m)
		})
	}
	damages := map[string]func(w *world, old string){
		"deleted":       func(w *world, _ string) { w.remove(object()) },
		"damaged":       func(w *world, _ string) { set(w, "{") },
		"replaced":      func(w *world, old string) { set(w, old) },
		"from a backup": func(w *world, old string) { w.restore(object(), old) },
	}
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, podDNS, 2)
			w.wantRemovals(2, 0, nil)
			m := object()
			w.get(m)
			old := m.Data[affinity.DirectoryKey]
			w.scale(1)
			w.wantRemovals(1, 0, map[int]uint64{1: 1})
			w.scale(2)
			w.wantRemovals(2, 0, map[int]uint64{1: 1})
			w.scale(1)
			before := w.wantRemovals(1, 0, map[int]uint64{1: 2})
			t.Log("while the controller runs")
			damage(w, old)
			d := w.wantNumbers(2, func(ordinal int, now uint64) bool { return now >= before.RemovalsOf(ordinal) })
			if name == "replaced" {
				return // nothing tells a controller that starts later that the content is old
			}
			t.Log("while no controller runs")
			w.stop()
			damage(w, old)
			w.start()
			w.wantNumbers(1, func(ordinal int, now uint64) bool { return now > d.RemovalsOf(ordinal) })
		})
	}
}

// wantNumbers waits until the directory has that value of Ever or a higher one, and the number of
// removals of each ordinal is good.
func (w *world) wantNumbers(ever int, good func(ordinal int, removals uint64) bool) affinity.Directory {
	w.t.Helper()
	var d affinity.Directory
	testenv.Eventually(w.t, func() (err error) {
		if d, err = w.directory(); err != nil {
			return err
		}
		if d.Ever < ever {
			return fmt.Errorf("ever is %d, want %d", d.Ever, ever)
		}
		for ordinal := range affinity.MaxInstances {
			if n := d.RemovalsOf(ordinal); !good(ordinal, n) {
				return fmt.Errorf("the number of removals of instance %d has fallen to %d", ordinal, n)
			}
		}
		return nil
	})
	return d
}

// restore puts an object back from a backup: with the old content, and without the present owner.
func (w *world) restore(m *corev1.ConfigMap, content string) {
	w.t.Helper()
	testenv.Eventually(w.t, func() error {
		w.get(m)
		m.Data, m.OwnerReferences = map[string]string{affinity.DirectoryKey: content}, nil
		return w.api.Update(w.t.Context(), m)
	})
}
