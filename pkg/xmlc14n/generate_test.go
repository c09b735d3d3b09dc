package xmlc14n

import (
	"math/rand/v2"
	"strconv"
	"strings"
)

const signatureNamespace = "http://www.w3.org/2000/09/xmldsig#"

// generator writes random documents that are correct, and use what canonicalization must treat.
type generator struct {
	*rand.Rand
	b        []byte
	elements int
	ids      int
	// scopes holds the prefixes that are declared, for each open element.
	scopes []map[string]string
	bases  bool // use xml:base
	deep   bool // nest deeper than other documents
	long   bool // write texts and tags that do not fit into the window
	empty  bool // use what the JDK gets wrong
}

// generate returns the text of a document and the number of its elements. The document avoids three
// things in which one judge deviates from the recommendations and the other does not:
//   - The JDK forgets what follows a root element without content. So the root has text in the
//     documents that the JDK sees.
//   - The JDK declares the prefix xml in exclusive forms of an element named with it. So documents
//     that it sees have no such element.
//   - libxml2 replaces "&amp;" in a namespace name by "&#38;". No namespace name has it.
func generate(seed uint64) (string, int) {
	g := &generator{
		Rand: rand.New(rand.NewPCG(seed, 16)), bases: seed%4 == 0, deep: seed%7 == 0, long: seed%101 == 0,
		empty: seed%everyJDK != 0,
	}
	g.scopes = []map[string]string{{"": ""}}
	g.misc()
	g.element(0)
	g.misc()
	return string(g.b), g.elements
}

func (g *generator) pick(from ...string) string { return from[g.IntN(len(from))] }

func (g *generator) chance(percent int) bool { return g.IntN(100) < percent }

func (g *generator) write(s ...string) {
	for _, x := range s {
		g.b = append(g.b, x...)
	}
}

// misc writes what may stand outside the root element.
func (g *generator) misc() {
	for g.chance(30) {
		switch g.IntN(3) {
		case 0:
			g.write(g.pick(" ", "\n", "\r\n", "\t", "\r"))
		case 1:
			g.comment()
		default:
			g.instruction()
		}
	}
}

func (g *generator) comment() {
	g.write("<!--", g.pick("", " c ", "a-b", "<&>\"'", "]]>", "x\r\ny\rz", "é€", "- - ", "-> "), "-->")
}

func (g *generator) instruction() {
	g.write(
		"<?",
		g.pick("pi", "xml-stylesheet", "é"),
		g.pick("", " ", " a=\"b\"", "\r\n \t x\r\ny ", " ?", " <&>", " x  ", " ]]>", " --", " ??", " &#10;"),
		"?>",
	)
}

// declarations writes namespace declarations and returns what is in scope with them.
func (g *generator) declarations() map[string]string {
	in := map[string]string{}
	for p, u := range g.scopes[len(g.scopes)-1] {
		in[p] = u
	}
	here := map[string]bool{}
	for g.chance(45) {
		p := g.pick("", "a", "b", "ab", "ds", "A", "é", "_.-1", "xm", "xml")
		if here[p] {
			continue
		}
		here[p] = true
		u := g.pick("urn:a", "urn:b", "http://c.example/", "urn:a:b", "urn:ab", "URN:A", "http://c.example/%7E?q=1#f")
		switch {
		case p == "ds":
			u = signatureNamespace
		case p == "xml":
			u = xmlNamespace
		case p == "" && g.chance(40):
			u = ""
		}
		in[p] = u
		name := "xmlns"
		if p != "" {
			name += ":" + p
		}
		g.attribute(name, u)
	}
	return in
}

func (g *generator) attribute(name, value string) {
	quote := g.pick(`"`, `"`, `'`)
	g.write(g.pick(" ", " ", " ", "  ", "\n", "\r\n\t"), name, g.pick("=", "=", "=", " = ", "=\n"), quote, value, quote)
}

// name returns a qualified name with a declared prefix.
func (g *generator) name(in map[string]string, attribute bool) (name, expanded string) {
	local := g.pick("x", "y", "z", "Signature", "é1", "x.y-z", "_", "X", "xmlns1", "ΩΩ")
	p := g.pick("", "", "a", "b", "ab", "ds", "A", "é", "_.-1", "xm")
	if !attribute && g.empty && g.chance(2) {
		return "xml:" + local, xmlNamespace + " " + local
	}
	u, ok := in[p]
	if p == "" || !ok {
		if attribute {
			return local, local
		}
		return local, in[""] + " " + local
	}
	return p + ":" + local, u + " " + local
}

func (g *generator) value() string {
	var b strings.Builder
	for g.chance(60) {
		b.WriteString(g.pick("v", "a b", "\n", "\t", "\r\n", "\r", "&amp;", "&lt;", ">", "&gt;", "&quot;", "&apos;", "&#10;",
			"&#xD;", "&#9;", "é", "€", "&#x20AC;", "&#128512;", "  ", "]]>", "&#34;", "&#xE9;", "&#x000000A;", "&#0013;",
			"&#32;", "\u0085", "&#x85;", "\u2028", "\u00A0", "&#xFFFD;", "&#x10FFFF;", "/>", "?>", "-->"))
	}
	if g.long && g.chance(10) {
		b.WriteString(strings.Repeat(g.pick("v", "a b\n", "é", "&lt;"), 1+g.IntN(40_000)))
	}
	return b.String()
}

func (g *generator) text() {
	for g.chance(60) {
		switch g.IntN(8) {
		case 0:
			g.write("<![CDATA[", g.pick("", "x", "<&>\"", "a\r\nb\rc", "]]", "]", "é€", "&amp;"), "]]>")
		case 1:
			g.comment()
		case 2:
			g.instruction()
		default:
			g.write(
				g.pick(
					"text",
					"\n   ",
					"\r\n",
					"\r",
					"é",
					"€",
					"&amp;",
					"&lt;",
					"&gt;",
					">",
					"&#13;",
					"&#xA;",
					"&quot;",
					"&#x1F600;",
					"\"'",
					"]] >",
					"]]",
					"\t",
					"a longer text of some twenty bytes", "&#x0000D;", "&#10;", "\u0085", "\u2028", "&#x85;", "&apos;", "&#38;#38;",
					"&#x10FFFF;", "\uFFFD", "'\t\n\r\n\r\r\n", "<?a?><?b?>", "<!----><!---->", "<![CDATA[]]>",
				),
			)
			g.write(" ") // "]]" and ">" must not meet
			if g.long && g.chance(10) {
				g.write(strings.Repeat(g.pick("x", "text ", "é", "\r\n", "&amp;", "€"), 1+g.IntN(40_000)))
			}
		}
	}
}

func (g *generator) element(depth int) {
	g.elements++
	start := len(g.b)
	in := g.declarations()
	declarations := string(g.b[start:])
	g.b = g.b[:start]
	g.scopes = append(g.scopes, in)
	name, expanded := g.name(in, false)
	for depth == 0 && expanded == signatureNamespace+" Signature" {
		// libxml2 treats what follows an omitted root as if it stood in front of it.
		name, expanded = g.name(in, false)
	}
	g.write("<", name)
	// The declaration of a prefix may stand behind its use.
	behind := g.chance(50)
	if !behind {
		g.write(declarations)
	}
	g.attributes(in)
	if behind {
		g.write(declarations)
	}
	g.write(g.pick("", "", "", " ", "\n"))
	if (depth > 0 || g.empty) && g.chance(20) {
		g.write("/>")
	} else {
		g.write(">")
		if depth == 0 && !g.empty {
			g.write("root")
		}
		g.text()
		for depth < 6 && g.chance(55) || g.deep && depth < 60 && g.chance(96) && g.elements < 200 {
			g.element(depth + 1)
			g.text()
		}
		g.write("</", name, g.pick("", "", "", " ", "\r\n"), ">")
	}
	g.scopes = g.scopes[:len(g.scopes)-1]
}

// attributes writes attributes with different expanded names.
func (g *generator) attributes(in map[string]string) {
	seen := map[string]bool{}
	for g.chance(45) {
		name, expanded := g.name(in, true)
		if !seen[expanded] {
			seen[expanded] = true
			g.attribute(name, g.value())
		}
	}
	for _, name := range []string{"xml:lang", "xml:space", "xml:id", "xml:other"} {
		if g.chance(8) {
			value := g.pick("default", "preserve")
			if name == "xml:id" {
				g.ids++
				value = "id" + strconv.Itoa(g.ids)
			}
			g.attribute(name, value)
		}
	}
	if g.bases && g.chance(30) {
		g.attribute(
			"xml:base",
			g.pick("http://x.example/a/b", "b/", "c/dd", "../e/", "../../ff", "/g/h/", "./i/", "urn:j", "//k/l/"),
		)
	}
}
