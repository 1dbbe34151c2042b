package desired

import "testing"

// TestAnEditedSeedCostsWhatItsManifestSays holds that onChange alone decides.
func TestAnEditedSeedCostsWhatItsManifestSays(t *testing.T) {
	for name, c := range map[string]struct {
		init CloudInit
		want Effect
	}{
		"keep":             {CloudInit{OnChange: onChangeKeep}, Create},
		"rerun":            {CloudInit{OnChange: onChangeRerun}, Reboot},
		"Proxmox's drive":  {CloudInit{OnChange: onChangeRerun, Native: true}, Create},
		"nothing was said": {CloudInit{}, Create},
	} {
		for _, leaf := range Leaves(KindVM, &VM{CloudInit: &c.init, Seed: "one"}) {
			if leaf.Path == "cloudInit" && leaf.Effect != c.want {
				t.Errorf("%s: an edit costs %q, want %q", name, leaf.Effect, c.want)
			}
		}
	}
}
