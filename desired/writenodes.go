package desired

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// scalarNode writes one word; null for one that says nothing.
func scalarNode(v reflect.Value) *yaml.Node {
	switch value := v.Interface().(type) {
	case Size:
		return plainNode(value.String())
	case Rate:
		return plainNode(value.String())
	case Duration:
		return plainNode(value.String())
	case AddrRange:
		if value.From == value.To {
			return wordNode(value.From.String())
		}
		return wordNode(value.From.String() + "-" + value.To.String())
	case IDRange:
		if value.From == value.To {
			return plainNode(strconv.Itoa(value.From))
		}
		return plainNode(fmt.Sprintf("%d-%d", value.From, value.To))
	case Target:
		return wordNode(value.Text)
	}
	switch v.Kind() {
	case reflect.Bool:
		return plainNode(strconv.FormatBool(v.Bool()))
	case reflect.String:
		switch text := v.String(); {
		case text == "":
			return plainNode("null")
		case whole(text):
			return plainNode(text)
		default:
			return wordNode(text)
		}
	default:
	}
	if v.IsZero() {
		return plainNode("null")
	}
	switch v.Kind() {
	case reflect.Int, reflect.Int64:
		return plainNode(strconv.FormatInt(v.Int(), 10))
	case reflect.Float64:
		return plainNode(strconv.FormatFloat(v.Float(), 'f', -1, 64))
	default:
		return wordNode(Text(v.Interface()))
	}
}

// plainNode is text that stands as it is.
func plainNode(text string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: text} }

// wordNode is text that YAML must not take for anything else.
func wordNode(text string) *yaml.Node {
	node := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
	switch {
	case strings.Contains(text, "\n") && legible(text):
		node.Style = yaml.LiteralStyle
	case strings.ContainsAny(text, "\n\r\t") || strings.Count(text, ":") > 1:
		// Addresses of hardware are quoted, as people have learnt to.
		node.Style = yaml.DoubleQuotedStyle
	}
	return node
}

// legible tells whether a text of several lines can stand as a block.
func legible(text string) bool {
	for line := range strings.SplitSeq(text, "\n") {
		if strings.TrimRight(line, " ") != line || oneLine(line) != line {
			return false
		}
	}
	return text[0] != ' ' && text[0] != '\n'
}

func listNode(v reflect.Value) *yaml.Node {
	if v.Len() == 0 {
		return plainNode("null")
	}
	node := &yaml.Node{Kind: yaml.SequenceNode}
	if set, ok := reflect.TypeAssert[Words](v); ok {
		v = reflect.ValueOf(set.sorted())
	}
	for i := range v.Len() {
		node.Content = append(node.Content, itemNode(v.Index(i)))
	}
	return node
}

// itemNode writes an item of a list whole.
func itemNode(v reflect.Value) *yaml.Node {
	switch item := v.Interface().(type) {
	case Command:
		if item.Args == nil {
			return wordNode(item.Shell)
		}
		return listNode(reflect.ValueOf(item.Args))
	case Server:
		if item.Weight <= 1 && !item.Backup {
			return scalarNode(reflect.ValueOf(item.To))
		}
	case CloudUser:
		if item.User != nil {
			return wordNode(item.Name)
		}
	}
	if v.Kind() != reflect.Struct || oneScalar(v.Type()) {
		return scalarNode(v)
	}
	node := &yaml.Node{Kind: yaml.MappingNode}
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		value := v.Field(i)
		switch {
		case name == "" || name == "-" || value.IsZero() || value.Kind() == reflect.Pointer:
		case value.Kind() == reflect.Slice:
			putNode(node, name, listNode(value))
		default:
			putNode(node, name, scalarNode(value))
		}
	}
	return node
}

// anyNode writes what is nobody's field; texts that would be taken for something
// else are quoted.
func anyNode(value any) *yaml.Node {
	switch v := value.(type) {
	case nil:
		return plainNode("null")
	case map[string]any:
		node := &yaml.Node{Kind: yaml.MappingNode}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			putNode(node, key, anyNode(v[key]))
		}
		return node
	case []any:
		node := &yaml.Node{Kind: yaml.SequenceNode}
		for _, item := range v {
			node.Content = append(node.Content, anyNode(item))
		}
		return node
	case string:
		node := wordNode(v)
		if text, same := guess(&tree{text: v, plain: true}).(string); node.Style == 0 && (!same || text != v || v == "") {
			node.Style = yaml.DoubleQuotedStyle
		}
		return node
	default:
		return plainNode(fmt.Sprint(v))
	}
}
