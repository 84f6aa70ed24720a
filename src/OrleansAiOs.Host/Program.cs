using OrleansAiOs.Host.Cli;

return await AiosCommand.RunAsync(args);
