package applyers

import (
	"context"

	"berth/desired"
)

// Belongs is what something that is done, and each line of the log about it, belongs
// to. It travels in the context, and is for the log alone: nothing is decided by it.
type Belongs struct {
	// Turn is the id of the turn; "" outside of any.
	Turn string
	// Resource is what a step is made for; "" where it is no single one.
	Resource desired.ID
}

type belongsKey struct{}

// InTurn has all that is done with the context belong to a turn, and to no resource.
func InTurn(ctx context.Context, turn string) context.Context {
	return context.WithValue(ctx, belongsKey{}, Belongs{Turn: turn})
}

// ForResource has all that is done with the context belong to a resource, within the
// turn that it belongs to already.
func ForResource(ctx context.Context, id desired.ID) context.Context {
	return context.WithValue(ctx, belongsKey{}, Belongs{Turn: BelongsTo(ctx).Turn, Resource: id})
}

// BelongsTo tells what is done with the context; zero for what belongs to nothing.
func BelongsTo(ctx context.Context) Belongs {
	b, _ := ctx.Value(belongsKey{}).(Belongs)
	return b
}
