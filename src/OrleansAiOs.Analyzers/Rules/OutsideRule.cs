namespace OrleansAiOs.Analyzers.Rules;

internal sealed class OutsideRule() : Rule("AIOS007", "Workflow code reaches outside")
{
    private const string Says = "reaches outside, and would do so again on every replay. Put it into an activity with its effect class, and Call that.";

    public override IEnumerable<Ban> Bans =>
    [
        .. new[]
        {
            "System.IO.File", "System.IO.Directory", "System.IO.FileInfo", "System.IO.DirectoryInfo", "System.IO.FileSystemInfo", "System.IO.DriveInfo", "System.IO.FileStream",
            "System.IO.FileSystemWatcher", "System.IO.RandomAccess", "System.Net.Http.HttpMessageInvoker", "System.Net.Http.Json.HttpClientJsonExtensions", "System.Net.WebRequest",
            "System.Net.WebClient", "System.Net.Dns", "System.Net.HttpListener", "System.Net.NetworkInformation.Ping", "System.Net.Sockets.Socket", "System.Net.Sockets.TcpClient",
            "System.Net.Sockets.TcpListener", "System.Net.Sockets.UdpClient", "System.Net.Sockets.NetworkStream", "System.Net.WebSockets.WebSocket", "System.Net.Mail.SmtpClient",
            "System.Diagnostics.Process", "System.Console", "System.IO.Pipes.PipeStream", "System.Data.Common.DbConnection", "System.Data.Common.DbCommand",
            "System.Data.Common.DbDataSource", "System.Data.Common.DbDataReader", "System.Data.Common.DbBatch", "System.Data.IDbConnection", "System.Data.IDbCommand",
        }.Select(type => new Ban(type, "*", Says) { AndDerived = true }),
        new("System.IO.Path", "GetTempPath GetTempFileName Exists", Says),
        // Over a stream they only read what is there.
        new("System.IO.StreamReader", ".ctor", Says) { Overloads = OfPath },
        new("System.IO.StreamWriter", ".ctor", Says) { Overloads = OfPath },
    ];

    private static bool OfPath(Microsoft.CodeAnalysis.IMethodSymbol constructor) => constructor.Parameters.FirstOrDefault()?.Type.SpecialType is Microsoft.CodeAnalysis.SpecialType.System_String;
}
