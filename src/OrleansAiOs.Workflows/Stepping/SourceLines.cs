using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;
using OrleansAiOs.Workflows.Replay;

namespace OrleansAiOs.Workflows.Stepping;

/// <summary>
/// Where an async method awaits. Its state machine says the number of the await; the symbols (a portable pdb, beside the assembly or
/// inside it) say at which offset each await yields, and which line that is.
/// </summary>
internal static class SourceLines
{
    // "Method stepping information" of the portable pdb format.
    private static readonly Guid Stepping = new("54FD2AC5-E925-401A-9C2A-F94F171072F8");

    private static readonly ConcurrentDictionary<Assembly, MetadataReaderProvider?> Symbols = new();
    private static readonly ConcurrentDictionary<(Type, int), CodePlace> Known = new();

    public static CodePlace OfAwait(Type machine, int state) => Known.GetOrAdd((machine, state), static key =>
    {
        var (file, line) = Find(key.Item1, key.Item2);
        return new CodePlace(file, line, CodePlace.Named(key.Item1));
    });

    [UnconditionalSuppressMessage("Trimming", "IL2070", Justification = "Without the method there is no line, and nothing else depends on one.")]
    private static (string? File, int Line) Find(Type machine, int state)
    {
        if (Symbols.GetOrAdd(machine.Assembly, static assembly => Open(assembly))?.GetMetadataReader() is not { } pdb) return (null, 0);
        if (machine.GetMethod("MoveNext", BindingFlags.Instance | BindingFlags.NonPublic | BindingFlags.Public) is not { } moveNext) return (null, 0);
        var method = ((MethodDefinitionHandle)MetadataTokens.Handle(moveNext.MetadataToken)).ToDebugInformationHandle();
        foreach (var handle in pdb.GetCustomDebugInformation(method.ToDefinitionHandle()))
        {
            var information = pdb.GetCustomDebugInformation(handle);
            if (pdb.GetGuid(information.Kind) != Stepping) continue;
            var blob = pdb.GetBlobReader(information.Value);
            blob.ReadUInt32(); // where the catch handler is
            for (var n = 0; blob.RemainingBytes > 0; n++)
            {
                var yields = blob.ReadUInt32();
                blob.ReadUInt32(); // where it goes on
                blob.ReadCompressedInteger(); // in which method
                if (n == state) return LineOf(pdb, method, (int)yields);
            }
        }
        return (null, 0);
    }

    private static (string? File, int Line) LineOf(MetadataReader pdb, MethodDebugInformationHandle method, int offset)
    {
        SequencePoint? found = null;
        foreach (var point in pdb.GetMethodDebugInformation(method).GetSequencePoints())
        {
            if (point.Offset > offset) break;
            if (!point.IsHidden) found = point;
        }
        return found is { } at ? (pdb.GetString(pdb.GetDocument(at.Document).Name), at.StartLine) : (null, 0);
    }

    [UnconditionalSuppressMessage("SingleFile", "IL3000", Justification = "Without a location there are no symbols.")]
    private static MetadataReaderProvider? Open(Assembly assembly)
    {
        try
        {
            if (assembly.Location is not { Length: > 0 } location) return null;
            using var file = new PEReader(new MemoryStream(File.ReadAllBytes(location)));
            return file.TryOpenAssociatedPortablePdb(location, path => File.Exists(path) ? new MemoryStream(File.ReadAllBytes(path)) : null, out var symbols, out _) ? symbols : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or BadImageFormatException)
        {
            return null; // methods are named all the same
        }
    }
}
