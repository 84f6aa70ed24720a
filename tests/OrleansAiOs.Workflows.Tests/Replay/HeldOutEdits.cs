namespace OrleansAiOs.Workflows.Tests.Replay;

/// <summary>
/// Edits of <see cref="HeldOutCode"/>. They were written, each with whether it is safe, before the diagnosis had been run on any of them; since then it
/// was mended with them (<see cref="MutationTests"/>).
/// </summary>
internal static class HeldOutEdits
{
    public static readonly Edit[] All =
    [
        // ---- nested ifs, an approval, a timer ----
        new("claim", "insert into the innermost branch", "                    await Call(Desk.Note, \"seen\");", "                    await Call(Desk.Note, \"seen\");\n                    await Call(Desk.Ring, \"seen\");", false),
        new("claim", "insert into a branch that is not taken", "                await Call(Desk.Note, \"low risk\");", "                await Call(Desk.Note, \"low risk\");\n                await Call(Desk.Ring, \"low\");", true),
        new("claim", "insert in front of the inner branch", "            if (risk > 50)", "            await Call(Desk.Archive, risk);\n            if (risk > 50)", false),
        new("claim", "insert behind the inner branch", "            await Sleep(TimeSpan.FromDays(1));", "            await Call(Desk.Archive, risk);\n            await Sleep(TimeSpan.FromDays(1));", false),
        new("claim", "remove from the innermost branch", "                    await Call(Desk.Note, \"seen\");\n", "", false),
        new("claim", "remove the timer", "            await Sleep(TimeSpan.FromDays(1));\n", "", false),
        new("claim", "a limit that still lies below", "amount > 10", "amount > 15", true),
        new("claim", "the outer branch no longer taken", "amount > 10", "amount > 100", false),
        new("claim", "the other inner branch", "risk > 50", "risk > 500", false),
        new("claim", "a stricter condition that still holds", "if (risk > 50)", "if (risk > 50 && amount < 1000)", true),
        new("claim", "a deadline for the approval", "by: \"clerk\"", "by: \"clerk\", within: TimeSpan.FromDays(3)", true),
        new("claim", "the timer moves behind the payment", "            await Sleep(TimeSpan.FromDays(1));\n        }\n        var paid = await Call(Desk.Pay, amount);", "        }\n        var paid = await Call(Desk.Pay, amount);\n        if (amount > 10) await Sleep(TimeSpan.FromDays(1));", false),

        // ---- a loop with awaits and a break ----
        new("poll", "a bound that ends it at the same time", "state >= 6", "state >= 5", true),
        new("poll", "a bound that ends it earlier", "state >= 6", "state >= 4", false),
        new("poll", "a bound that ends it later", "state >= 6", "state >= 8", false),
        new("poll", "insert behind the probe", "            if (state >= 6) break;", "            await Call(Desk.Archive, state);\n            if (state >= 6) break;", false),
        new("poll", "sleep longer each time", "TimeSpan.FromMinutes(tries)", "TimeSpan.FromMinutes(tries * 2)", true),
        new("poll", "sleep before the probe", "            state = await Call(Desk.Probe, tries);\n            if (state >= 6) break;\n            await Sleep(TimeSpan.FromMinutes(tries));", "            await Sleep(TimeSpan.FromMinutes(tries));\n            state = await Call(Desk.Probe, tries);\n            if (state >= 6) break;", false),
        new("poll", "a limit of rounds that is not reached", "while (true)", "for (var round = 0; round < 10; round++)", true),
        new("poll", "a limit of rounds that is reached", "while (true)", "for (var round = 0; round < 2; round++)", false),
        new("poll", "call another activity behind the loop", "await Call(Desk.Note, $\"after {tries}\");", "await Call(Desk.Ring, $\"after {tries}\");", false),

        // ---- a fan-out over a local function ----
        new("harvest", "insert into the local function", "            return await Call(Desk.Store, weighed);", "            await Call(Desk.Archive, weighed);\n            return await Call(Desk.Store, weighed);", false),
        new("harvest", "insert at the local function's end", "            return await Call(Desk.Store, weighed);", "            var stored = await Call(Desk.Store, weighed);\n            await Call(Desk.Archive, stored);\n            return stored;", false),
        new("harvest", "remove from the local function", "            return await Call(Desk.Store, weighed);", "            return weighed;", false),
        new("harvest", "one after another", "        var results = await Task.WhenAll(Enumerable.Range(1, fields).Select(Field));", "        var results = new List<int>();\n        foreach (var n in Enumerable.Range(1, fields)) results.Add(await Field(n));", false),
        new("harvest", "swap in the local function", "            var weighed = await Call(Desk.Weigh, n);\n            return await Call(Desk.Store, weighed);", "            var stored = await Call(Desk.Store, n);\n            return await Call(Desk.Weigh, stored);", false),
        new("harvest", "the same fan-out in other words", ".Select(Field)", ".Select(n => Field(n)).ToList()", true),
        new("harvest", "fan out over other numbers", "Enumerable.Range(1, fields)", "Enumerable.Range(0, fields)", true),
        new("harvest", "a wider fan-out", "Enumerable.Range(1, fields)", "Enumerable.Range(1, fields + 1)", false),
        new("harvest", "insert in front of the fan-out", "        var results = await", "        await Call(Desk.Ring, \"begin\");\n        var results = await", false),
        new("harvest", "note it twice", "        await Call(Desk.Note, $\"{results.Sum()}\");", "        await Call(Desk.Note, $\"{results.Sum()}\");\n        await Call(Desk.Note, $\"{plan}\");", false),

        // ---- a saga that is undone, in a try ----
        new("journey", "insert a step into the saga", "            var flight = await", "            await saga.Call(Desk.Archive, id, undo: Desk.Rest);\n            var flight = await", false),
        new("journey", "remove a step of the saga", "            var flight = await saga.Call(Desk.Flight, id, undo: Desk.FlightBack);", "            var flight = 2003;", false),
        new("journey", "insert into the catch", "            await Call(Desk.Note, \"gave up\");", "            await Call(Desk.Ring, \"gave up\");\n            await Call(Desk.Note, \"gave up\");", false),
        new("journey", "insert behind what fails", "            return saga.Complete(\"booked\");", "            await Call(Desk.Ring, \"booked\");\n            return saga.Complete(\"booked\");", true),
        new("journey", "swap the saga's steps", "            var hotel = await saga.Call(Desk.Hotel, id, undo: Desk.HotelBack);\n            var flight = await saga.Call(Desk.Flight, id, undo: Desk.FlightBack);", "            var flight = await saga.Call(Desk.Flight, id, undo: Desk.FlightBack);\n            var hotel = await saga.Call(Desk.Hotel, id, undo: Desk.HotelBack);", false),
        new("journey", "note why", "        catch (ActivityFailedException)\n        {\n            await Call(Desk.Note, \"gave up\");", "        catch (ActivityFailedException e)\n        {\n            await Call(Desk.Note, e.Message);", true),
        new("journey", "undo with another activity", "undo: Desk.FlightBack", "undo: Desk.Rest", false),
        new("journey", "remove what fails", "            await Call(Desk.Insure, hotel + flight);\n", "", false),
        new("journey", "what fails comes earlier", "            var flight = await saga.Call(Desk.Flight, id, undo: Desk.FlightBack);\n            await Call(Desk.Insure, hotel + flight);", "            await Call(Desk.Insure, hotel);\n            var flight = await saga.Call(Desk.Flight, id, undo: Desk.FlightBack);", false),

        // ---- children ----
        new("report", "one child less", "i < parts;", "i < parts - 1;", false),
        new("report", "insert beside the child", "            sum += await Call(Part, i);", "            sum += await Call(Part, i);\n            await Call(Desk.Archive, i);", false),
        new("report", "call another child", "await Call(Final, sum)", "await Call(Part, sum)", false),
        new("report", "remove a child", "        var last = await Call(Final, sum);", "        var last = sum;", false),
        new("report", "hand a child something else", "Call(Part, i)", "Call(Part, i + 100)", true),
        new("report", "remove the attributes", "        SetAttributes((\"parts\", $\"{parts}\"));\n", "", false),
        new("report", "the children at once", "        for (var i = 0; i < parts; i++)\n        {\n            sum += await Call(Part, i);\n        }", "        foreach (var part in await Task.WhenAll(Enumerable.Range(0, parts).Select(i => Call(Part, i)))) sum += part;", false),
        new("report", "insert a timer in front of a child", "        var last = await", "        await Sleep(TimeSpan.FromHours(1));\n        var last = await", false),
        new("report", "insert a child", "        var last = await", "        sum += await Call(Part, 9);\n        var last = await", false),

        // ---- signals in a loop, an approval, a recorded value ----
        new("inbox", "a condition in other words", "letter.StartsWith(\"urgent\")", "letter.Contains(\"urgent\")", true),
        new("inbox", "insert into the else", "            else await Call(Desk.File, letter);", "            else\n            {\n                await Call(Desk.File, letter);\n                await Call(Desk.Archive, 1);\n            }", false),
        new("inbox", "file what is urgent too", "            else await Call(Desk.File, letter);", "            await Call(Desk.File, letter);", false),
        new("inbox", "remove the recorded value", "        var stamp = Record(() => 42);", "        var stamp = 42;", false),
        new("inbox", "remove the approval", "        var signature = await Approval(\"Sign\", letters.Count, by: \"boss\", within: TimeSpan.FromDays(2));", "        var signature = (Granted: true, By: \"\");", false),
        new("inbox", "swap a call and the recorded value", "        await Call(Desk.Note, signature.Granted ? \"signed\" : \"unsigned\");\n        var stamp = Record(() => 42);", "        var stamp = Record(() => 42);\n        await Call(Desk.Note, signature.Granted ? \"signed\" : \"unsigned\");", false),
        new("inbox", "count the other way round", "for (var left = 2; left > 0; left--)", "for (var left = 0; left < 2; left++)", true),
        new("inbox", "take one letter less", "var left = 2;", "var left = 1;", false),
        new("inbox", "rename an activity", "\"desk.ring\"", "\"desk.bell\"", false),

        // ---- loops in loops, other methods, a switch ----
        new("ladder", "insert into the inner loop", "            steps += await Call(Desk.Weigh, floor * 10 + s);", "            steps += await Call(Desk.Weigh, floor * 10 + s);\n            await Call(Desk.Archive, s);", false),
        new("ladder", "insert into one case", "                await Call(Desk.Rest, floor);", "                await Call(Desk.Rest, floor);\n                await Call(Desk.Ring, \"rested\");", false),
        new("ladder", "the inner loop once more", "s < 2;", "s < 3;", false),
        new("ladder", "the inner loop once less", "s < 2;", "s < 1;", false),
        new("ladder", "the outer loop in other words", "foreach (var floor in Enumerable.Range(1, floors))", "for (var floor = 1; floor <= floors; floor++)", true),
        new("ladder", "remove what another method did", "        await Tell(total);\n", "", false),
        new("ladder", "swap in another method", "            await Call(Desk.Note, $\"{total}\");\n            SetAttributes((\"total\", $\"{total}\"));", "            SetAttributes((\"total\", $\"{total}\"));\n            await Call(Desk.Note, $\"{total}\");", false),
        new("ladder", "a limit that still lies below", "total > 0", "total > 5", true),
        new("ladder", "a limit that lies above", "total > 0", "total > 100000", false),
        new("ladder", "remove from one case", "                await Sleep(TimeSpan.FromSeconds(30));\n", "", false),

        // ---- a race of a signal and a timer ----
        new("race", "wait longer", "TimeSpan.FromHours(2)", "TimeSpan.FromHours(20)", true),
        new("race", "insert into the branch that lost", "            return \"answered\";", "            await Call(Desk.Ring, \"answered\");\n            return \"answered\";", true),
        new("race", "ring twice", "        await Call(Desk.Ring, \"late\");", "        await Call(Desk.Ring, \"late\");\n        await Call(Desk.Ring, \"later\");", false),
        new("race", "remove the last call", "        var again = await Call(Desk.Score, id);", "        var again = 1;", false),
        new("race", "begin the timer first", "        var answer = Receive(Desk.Letter, stop.Token);\n        var late = Sleep(TimeSpan.FromHours(2), stop.Token);", "        var late = Sleep(TimeSpan.FromHours(2), stop.Token);\n        var answer = Receive(Desk.Letter, stop.Token);", true),
        new("race", "await the timer alone", "        var first = await Task.WhenAny(answer, late);", "        await late;\n        Task first = late;", true),
        new("race", "await the signal alone", "        var first = await Task.WhenAny(answer, late);", "        await answer;\n        Task first = answer;", false),
    ];
}
