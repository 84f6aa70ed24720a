using System.Globalization;
using OrleansAiOs.Postgres.Embedded;

// "db supervise …" is what the real program does with its hidden verb; "host FOLDER GRACE-SECONDS" starts a server and holds it until killed.
switch (args)
{
    case ["db", "supervise", .. var rest]:
        return await EmbeddedSupervisor.RunAsync(rest);

    case ["host", var folder, var grace]:
        var options = new EmbeddedPostgresOptions
        {
            DataFolder = folder,
            Grace = TimeSpan.FromSeconds(double.Parse(grace, CultureInfo.InvariantCulture)),
        };
        await using (var server = await EmbeddedPostgres.StartAsync(options))
        {
            Console.WriteLine($"{(server.Adopted ? "adopted" : "started")} {server.ConnectionString}");
            await Console.In.ReadLineAsync();
        }

        return 0;

    default:
        await Console.Error.WriteLineAsync("db supervise … | host FOLDER GRACE-SECONDS");
        return 2;
}
