namespace OrleansAiOs.Workflows.Tests.Replay;

/// <summary>Edits of <see cref="SampleCode"/>. The diagnosis was bettered on these: what it makes of edits it has not seen is <see cref="HeldOutEdits"/>'s to say.</summary>
internal static class SampleEdits
{
    public static readonly Edit[] All =
    [
        // ---- insert ----
        new("order", "insert in front of the first call", "        var reserved = await", "        await Call(Shop.Audit, 1);\n        var reserved = await", false),
        new("order", "insert between two calls", "        var charged = await", "        await Call(Shop.Audit, 1);\n        var charged = await", false),
        new("order", "insert behind the last call", "        return parcel;\n    }\n}\n\n[Workflow(\"batch\")]", "        await Call(Shop.Audit, 2);\n        return parcel;\n    }\n}\n\n[Workflow(\"batch\")]", false),
        new("order", "insert a call of the same activity", "        var charged = await Call(Shop.Charge, reserved);", "        var charged = await Call(Shop.Charge, reserved);\n        await Call(Shop.Charge, 1);", false),
        new("order", "insert a timer", "        await Call(Shop.Notify, parcel);", "        await Sleep(TimeSpan.FromHours(1));\n        await Call(Shop.Notify, parcel);", false),
        new("order", "insert an approval", "        var parcel = await Call(Shop.Ship, id);\n        await Call(Shop.Notify", "        await Approval(\"Ship?\", id, by: \"boss\");\n        var parcel = await Call(Shop.Ship, id);\n        await Call(Shop.Notify", false),
        new("order", "insert attributes", "        await Call(Shop.Notify, parcel);", "        SetAttributes((\"parcel\", parcel));\n        await Call(Shop.Notify, parcel);", false),
        new("order", "insert a recorded value", "        await Call(Shop.Notify, parcel);", "        _ = Record(() => 3);\n        await Call(Shop.Notify, parcel);", false),
        new("order", "insert a wait for a signal", "        await Call(Shop.Notify, parcel);", "        await Receive(Shop.Count);\n        await Call(Shop.Notify, parcel);", false),
        new("order", "insert two calls", "        await Call(Shop.Notify, parcel);", "        await Call(Shop.Audit, 1);\n        await Call(Shop.Release, 2);\n        await Call(Shop.Notify, parcel);", false),
        new("order", "insert a call whose result is used", "        SetAttributes((\"charged\", $\"{charged}\"));", "        var audited = await Call(Shop.Audit, charged);\n        SetAttributes((\"charged\", $\"{audited}\"));", false),
        new("batch", "insert into a loop", "            await Call(Shop.Audit, i);", "            await Call(Shop.Release, i);\n            await Call(Shop.Audit, i);", false),
        new("batch", "insert behind a loop", "        await Call(Shop.Charge, sum);", "        await Call(Shop.Release, sum);\n        await Call(Shop.Charge, sum);", false),
        new("purchase", "insert into a branch that is taken", "            if (!decision.Granted) return \"refused\";", "            if (!decision.Granted) return \"refused\";\n            await Call(Shop.Audit, 1);", false),
        new("purchase", "insert into a branch that is not taken", "if (price > 100000) await Call(Shop.Audit, price);", "if (price > 100000) { await Call(Shop.Audit, price); await Call(Shop.Notify, \"dear\"); }", true),
        new("trip", "insert into a saga", "        var seat = await", "        await saga.Call(Shop.Audit, id, undo: Shop.Release);\n        var seat = await", false),
        new("trip", "insert in front of a saga's end", "        await Call(Shop.Notify, \"booked\");", "        await Call(Shop.Notify, \"booked\");\n        await Call(Shop.Audit, drawn);", false),
        new("listen", "insert behind a signal", "        await Call(Shop.Reserve, first);", "        await Call(Shop.Audit, first);\n        await Call(Shop.Reserve, first);", false),
        new("listen", "insert into a loop over signals", "            await Call(Shop.Audit, more.Count);", "            await Call(Shop.Audit, more.Count);\n            await Call(Shop.Notify, \"more\");", false),
        new("fan", "insert in front of a fan-out", "        var one = Call", "        await Call(Shop.Notify, \"go\");\n        var one = Call", false),
        new("order", "insert what asks for nothing", "        await Call(Shop.Notify, parcel);", "        var noise = parcel.Length + 1;\n        await Call(Shop.Notify, parcel);", true),
        new("fan", "insert an identifier", "        var one = Call", "        var fresh = NewGuid();\n        var one = Call", true),

        // ---- remove ----
        new("order", "remove the last call", "        await Call(Shop.Notify, parcel);\n", "", false),
        new("order", "remove the first call", "        var reserved = await Call(Shop.Reserve, id);", "        var reserved = id;", false),
        new("order", "remove a call between others", "        var charged = await Call(Shop.Charge, reserved);", "        var charged = 40;", false),
        new("order", "remove attributes", "        SetAttributes((\"charged\", $\"{charged}\"));\n", "", false),
        new("batch", "remove from a loop", "            await Call(Shop.Audit, i);\n", "", false),
        new("batch", "remove a whole loop", "        for (var k = 0; k < 2; k++)\n        {\n            await Call(Shop.Notify, $\"round {k}\");\n        }\n", "", false),
        new("batch", "remove behind a loop", "        await Call(Shop.Charge, sum);\n", "", false),
        new("purchase", "remove a timer", "        await Sleep(TimeSpan.FromMinutes(5));\n", "", false),
        new("purchase", "remove an approval", "            var decision = await Approval($\"Buy for {price}\", price, by: \"manager\", within: TimeSpan.FromHours(1));\n            if (!decision.Granted) return \"refused\";\n", "", false),
        new("purchase", "remove what never ran", "        if (price > 100000) await Call(Shop.Audit, price);\n", "", true),
        new("trip", "remove a recorded value", "        var drawn = Record(() => 7);", "        var drawn = 7;", false),
        new("trip", "remove the call at a saga's end", "        await Call(Shop.Notify, \"booked\");\n", "", false),
        new("trip", "remove a saga's step", "        var room = await saga.Call(Shop.Reserve, id, undo: Shop.Release);", "        var room = 4;", false),
        new("listen", "remove a wait for a signal", "        var word = await Receive(Shop.Word);", "        var word = \"hello\";", false),
        new("listen", "remove the call behind a signal", "        await Call(Shop.Reserve, first);\n", "", false),
        new("fan", "remove one of two at once", "        var two = Call(Shop.Charge, 2);\n        var both = await Task.WhenAll(one, two);", "        var both = await Task.WhenAll(one);", false),

        // ---- swap ----
        new("order", "swap the first two", "        var reserved = await Call(Shop.Reserve, id);\n        var charged = await Call(Shop.Charge, reserved);", "        var charged = await Call(Shop.Charge, 4);\n        var reserved = await Call(Shop.Reserve, id);", false),
        new("order", "swap a call and attributes", "        SetAttributes((\"charged\", $\"{charged}\"));\n        var parcel = await Call(Shop.Ship, id);", "        var parcel = await Call(Shop.Ship, id);\n        SetAttributes((\"charged\", $\"{charged}\"));", false),
        new("batch", "swap inside a loop", "            sum += await Call(Shop.Reserve, i);\n            await Call(Shop.Audit, i);", "            await Call(Shop.Audit, i);\n            sum += await Call(Shop.Reserve, i);", false),
        new("purchase", "swap a timer and a call", "        await Sleep(TimeSpan.FromMinutes(5));\n        var parcel = await Call(Shop.Ship, price);", "        var parcel = await Call(Shop.Ship, price);\n        await Sleep(TimeSpan.FromMinutes(5));", false),
        new("trip", "swap a saga's steps", "        var room = await saga.Call(Shop.Reserve, id, undo: Shop.Release);\n        var seat = await saga.Call(Shop.Charge, id, undo: Shop.Release);", "        var seat = await saga.Call(Shop.Charge, id, undo: Shop.Release);\n        var room = await saga.Call(Shop.Reserve, id, undo: Shop.Release);", false),
        new("trip", "swap a recorded value and a call", "        var drawn = Record(() => 7);\n        await Call(Shop.Notify, \"booked\");", "        await Call(Shop.Notify, \"booked\");\n        var drawn = Record(() => 7);", false),
        new("fan", "swap two at once", "        var one = Call(Shop.Reserve, 1);\n        var two = Call(Shop.Charge, 2);", "        var two = Call(Shop.Charge, 2);\n        var one = Call(Shop.Reserve, 1);", false),
        new("order", "swap what asks for nothing", "        await Call(Shop.Notify, parcel);\n        return parcel;", "        var answer = parcel;\n        await Call(Shop.Notify, answer);\n        return answer;", true),

        // ---- rename ----
        new("order", "rename an activity", "\"shop.ship\"", "\"shop.send\"", false),
        new("batch", "rename an activity called in a loop", "\"shop.audit\"", "\"shop.book\"", false),
        new("order", "call another activity", "        var charged = await Call(Shop.Charge, reserved);", "        var charged = await Call(Shop.Audit, reserved);", false),
        new("trip", "call another activity in a saga", "        var seat = await saga.Call(Shop.Charge, id,", "        var seat = await saga.Call(Shop.Audit, id,", false),
        new("batch", "call another activity in a loop", "            await Call(Shop.Audit, i);", "            await Call(Shop.Release, i);", false),
        new("listen", "rename a signal", "new(\"word\")", "new(\"term\")", false),
        new("order", "rename the class", "public sealed class Order :", "public sealed class CustomerOrder :", true),
        new("order", "rename a variable", "        var reserved = await Call(Shop.Reserve, id);\n        var charged = await Call(Shop.Charge, reserved);", "        var held = await Call(Shop.Reserve, id);\n        var charged = await Call(Shop.Charge, held);", true),
        new("order", "change the version", "Version = \"1\"", "Version = \"2\"", true),

        // ---- argument ----
        new("order", "pass another argument", "Call(Shop.Charge, reserved)", "Call(Shop.Charge, reserved + 5)", true),
        new("batch", "pass another argument in a loop", "Call(Shop.Audit, i)", "Call(Shop.Audit, i * 2)", true),
        new("purchase", "sleep longer", "TimeSpan.FromMinutes(5)", "TimeSpan.FromMinutes(50)", true),
        new("purchase", "another title and deadline", "$\"Buy for {price}\", price, by: \"manager\", within: TimeSpan.FromHours(1)", "$\"Purchase for {price}\", price, by: \"manager\", within: TimeSpan.FromHours(9)", true),
        new("order", "other attributes", "(\"charged\", $\"{charged}\")", "(\"paid\", $\"{charged}\")", true),
        new("listen", "another text", "Call(Shop.Notify, word)", "Call(Shop.Notify, word.ToUpperInvariant())", true),
        new("order", "another result", "        await Call(Shop.Notify, parcel);\n        return parcel;", "        await Call(Shop.Notify, parcel);\n        return parcel + \"!\";", true),
        new("trip", "record another value", "Record(() => 7)", "Record(() => 8)", true),

        // ---- loop bound ----
        new("batch", "go round once more", "i < size;", "i < size + 1;", false),
        new("batch", "go round once less", "i < size;", "i < size - 1;", false),
        new("batch", "two rounds become three", "k < 2;", "k < 3;", false),
        new("batch", "two rounds become one", "k < 2;", "k < 1;", false),
        new("fan", "a wider fan-out", "Enumerable.Range(0, width)", "Enumerable.Range(0, width + 2)", false),
        new("fan", "a narrower fan-out", "Enumerable.Range(0, width)", "Enumerable.Range(0, width - 1)", false),
        new("listen", "wait for more", "more.Sum() < 10", "more.Sum() < 20", false),
        new("listen", "wait for as many", "more.Sum() < 10", "more.Sum() < 11", true),
        new("batch", "count the other way round", "for (var k = 0; k < 2; k++)", "for (var k = 2; k > 0; k--)", true),

        // ---- branch ----
        new("purchase", "a branch no longer taken", "price > 500", "price > 5000", false),
        new("purchase", "a limit that still lies below", "price > 500", "price > 400", true),
        new("purchase", "a branch now taken", "price > 100000", "price > 100", false),
        new("purchase", "a condition turned round", "if (!decision.Granted)", "if (decision.Granted)", false),
        new("purchase", "an early return", "        await Sleep(TimeSpan.FromMinutes(5));", "        if (price < 5000) return \"small\";\n        await Sleep(TimeSpan.FromMinutes(5));", false),
        new("order", "a call becomes conditional, and is not made", "        await Call(Shop.Notify, parcel);", "        if (id > 5) await Call(Shop.Notify, parcel);", false),
        new("order", "a call becomes conditional, and is made", "        await Call(Shop.Notify, parcel);", "        if (id < 5) await Call(Shop.Notify, parcel);", true),
        new("fan", "no longer awaited together", "        var one = Call(Shop.Reserve, 1);\n        var two = Call(Shop.Charge, 2);\n        var both = await Task.WhenAll(one, two);", "        var both = new[] { await Call(Shop.Reserve, 1), await Call(Shop.Charge, 2) };", false),
        new("order", "awaited together", "        var reserved = await Call(Shop.Reserve, id);\n        var charged = await Call(Shop.Charge, reserved);", "        var reserving = Call(Shop.Reserve, id);\n        var charged = await Call(Shop.Charge, 4);\n        var reserved = await reserving;", false),
    ];
}
